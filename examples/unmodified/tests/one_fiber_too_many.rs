//! r2d2 waits on a condition variable of parking_lot's, which belongs to the thread. The connection that it waits for
//! is with a fiber of the same thread, which cannot go on until r2d2 gives up.

mod common;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{builder, on_one_thread};
use unmodified::libraries;

/// Where events are written.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// It takes the events of the whole process.
#[test]
fn blocks_the_thread_until_r2d2_gives_up() {
    let Some(server) = servers::postgresql() else { return };
    let said = Said::default();
    let writer = said.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();

    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
    let pool = libraries::pool_of_diesel(&url, 1, Some(Duration::from_millis(500))).unwrap();
    let call = libraries::diesel(pool);
    on_one_thread(async {
        let layer = builder().name("too many").max_fibers(2).build().unwrap();
        let [first, second] = [(); 2].map(|()| {
            let call = call.clone();
            layer.run(move || call(Duration::from_millis(50)).map_err(|error| error.to_string()))
        });
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first, Ok(()));
        assert_eq!(second, Err("timed out waiting for connection".to_owned()));
        // The warning comes from another thread. The time of the test is limited.
        loop {
            let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
            if said.contains("WARN tower_fiber::interpose: a fiber has parked its thread") {
                assert!(said.contains("service=\"too many\" call=\"park\""), "{said}");
                break;
            }
            tokio::task::yield_now().await;
        }
    });
}

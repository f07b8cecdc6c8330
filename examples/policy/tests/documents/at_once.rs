//! Many callers whose questions wait at the same time.

use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};

use crate::harness::{Decides, LONG, all_ended, documents, on_each_runtime, read};

const CALLERS: usize = 50;

/// The policy answers nobody before all have asked. A server that waits for one answer at a time would never get the
/// first, and the first runtime has one thread.
#[test]
fn all_ask_before_one_is_answered() {
    on_each_runtime(|| async {
        let all = Arc::new(Barrier::new(CALLERS));
        let (policy, asked) = Decides::new(move |_| {
            let all = Arc::clone(&all);
            async move {
                all.wait().await;
                Ok(true)
            }
        });
        let (client, handle) = documents(policy.serve().await, LONG).await;
        let mut calls = JoinSet::new();
        for n in 0..CALLERS {
            let client = client.clone();
            calls.spawn(async move { read(client, &format!("user-{n}"), "plans").await.unwrap() });
        }
        for text in calls.join_all().await {
            assert_eq!(text, "First the mill, then the engine.");
        }
        // In the interceptor, and in the method.
        assert_eq!(asked.lock().await.len(), 2 * CALLERS);
        all_ended(&handle).await;
    });
}

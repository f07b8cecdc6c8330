//! redis' synchronous commands, pipelines and scripts: where they wait for the server, the fiber waits.
//!
//! [`FiberConnection`] is a `redis::ConnectionLike` over one of redis' own asynchronous connections, so that all of
//! `redis::Commands`, `Cmd::query`, `Pipeline::query` and `Script::invoke` work on it. [`subscribe`] is an iterator
//! over messages.
//!
//! ```
//! use hooks::redis::FiberConnection;
//! use redis::{Client, Commands, RedisResult};
//! use tower_fiber::run_in_fiber;
//!
//! // Plain redis, as it would be with a `redis::Connection`.
//! fn count_visit(conn: &mut impl Commands, page: &str) -> RedisResult<u64> {
//!     conn.incr(format!("visits:{page}"), 1)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> RedisResult<()> {
//! # let Some(server) = servers::redis() else { return Ok(()) };
//! # let url = format!("redis://127.0.0.1:{}/", server.port);
//! let client = Client::open(url)?;
//! let visits = run_in_fiber(move || {
//!     let mut conn = FiberConnection::open(&client)?;
//!     count_visit(&mut conn, "about")?;
//!     count_visit(&mut conn, "about")
//! });
//! assert_eq!(visits.await?, 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Which connection for what
//!
//! | for | take |
//! |---|---|
//! | commands, pipelines, also `atomic()` ones, and scripts | clones of one [`open`](FiberConnection::open)ed connection, in as many fibers as there are. A clone costs no connection; requests go out as they come, and no fiber waits for another's answer |
//! | commands that block: `BLPOP`, `XREAD BLOCK`, `WAIT` | [`open_unlimited`](FiberConnection::open_unlimited), one for each fiber. The server answers nothing else on a connection that it lets wait, and redis gives up after 500 ms on one that is merely opened |
//! | `redis::transaction` (`WATCH`), `MULTI` and `EXEC` as single commands, `SELECT` and what else changes the connection | one of its own for each fiber: others' commands would get in between, or be changed |
//! | messages of channels | [`subscribe`] |
//!
//! A connection is closed for all of its clones if the server closes it. One that connects again by itself is redis'
//! `ConnectionManager`, of the feature `connection-manager`: `FiberConnection::from(manager)`. Its task lives on the
//! runtime on which it was made; where each core has a runtime, open one for each.
//!
//! # When the caller goes
//!
//! Under [`Cancel`](tower_fiber::OnDrop::Cancel) and [`Unwind`](tower_fiber::OnDrop::Unwind) the request that waits,
//! and each later one, gives an error whose [`is_connection_dropped`](redis::RedisError::is_connection_dropped) is
//! true. Nothing unwinds. Whether the command has been carried out is as open as after a lost connection. Its answer is
//! thrown away when it comes, so that clones get theirs. A blocking command goes on in the server, until its connection
//! is dropped.
//!
//! Outside a fiber each request is an error that says what to do. Tests, tools and threads call the same code by
//! [`block_on_waits`](tower_fiber::block_on_waits), inside a runtime that they have entered if a connection is to
//! outlive the call.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionLike, Parser, Pipeline, RedisError, RedisResult, ToRedisArgs, Value,
    aio::{ConnectionLike as AsyncConnectionLike, MultiplexedConnection, PubSubStream},
    from_redis_value,
};
use tower_fiber::{stream::FiberIter, try_await_in_fiber};

/// An asynchronous connection that is a synchronous one inside a fiber.
#[derive(Clone, Debug)]
pub struct FiberConnection<C = MultiplexedConnection> {
    inner: C,
    /// Of all clones: whether the last answer was none that ends the connection.
    open: Arc<AtomicBool>,
}

impl FiberConnection {
    /// Connects. Clones share the connection. An answer that takes longer than 500 ms is an error, redis' default.
    ///
    /// # Errors
    ///
    /// If there is no connection to be had, if the fiber was cancelled, and outside a fiber.
    pub fn open(client: &Client) -> RedisResult<Self> {
        wait(client.get_multiplexed_async_connection()).map(Self::from)
    }

    /// Connects, for commands that block: an answer may take any time.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_unlimited(client: &Client) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        wait(client.get_multiplexed_async_connection_with_config(&config)).map(Self::from)
    }
}

impl<C> FiberConnection<C> {
    /// The asynchronous connection.
    pub fn get_ref(&self) -> &C {
        &self.inner
    }

    /// The asynchronous connection.
    pub fn into_inner(self) -> C {
        self.inner
    }
}

impl<C> From<C> for FiberConnection<C> {
    fn from(inner: C) -> Self {
        Self { inner, open: Arc::new(AtomicBool::new(true)) }
    }
}

impl<C: AsyncConnectionLike> FiberConnection<C> {
    fn request<T>(&mut self, request: impl AsyncFnOnce(&mut C) -> RedisResult<T>) -> RedisResult<T> {
        let Self { inner, open } = self;
        wait(async {
            let answer = request(inner).await;
            open.store(!answer.as_ref().is_err_and(RedisError::is_unrecoverable_error), Ordering::Relaxed);
            answer
        })
    }
}

impl<C: AsyncConnectionLike> ConnectionLike for FiberConnection<C> {
    fn req_command(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        self.request(async |inner| inner.req_packed_command(cmd).await)
    }

    fn req_packed_command(&mut self, packed: &[u8]) -> RedisResult<Value> {
        let [cmd] = &unpack(packed, 1)?[..] else { unreachable!("it was asked for one") };
        self.req_command(cmd)
    }

    fn req_packed_commands(&mut self, packed: &[u8], offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        let mut commands = unpack(packed, offset + count)?;
        let mut pipeline = Pipeline::with_capacity(commands.len());
        // Of an atomic pipeline only EXEC's answer is asked for. The asynchronous side adds MULTI and EXEC itself.
        if offset > 0 {
            commands.pop();
            commands.remove(0);
            pipeline.atomic();
        }
        for command in commands {
            pipeline.add_command(command);
        }
        self.request(async |inner| inner.req_packed_commands(&pipeline, offset, count).await)
    }

    fn get_db(&self) -> i64 {
        self.inner.get_db()
    }

    fn supports_pipelining(&self) -> bool {
        true
    }

    fn check_connection(&mut self) -> bool {
        redis::cmd("PING").exec(self).is_ok()
    }

    /// Whether the last answer, to whichever clone, was none that ends the connection.
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }
}

/// Subscribes to channels, over a connection of its own: an iterator over their messages, each of which `next` waits
/// for.
///
/// Messages are there from the moment on at which this returns, and are kept, without limit, until they are asked for.
/// The iterator ends when the connection does. Dropping it ends the subscription.
///
/// To end it when the caller goes, ask by [`try_next`](FiberIter::try_next), which gives an error under
/// [`Cancel`](tower_fiber::OnDrop::Cancel). To change subscriptions on the way, make a `FiberIter` of the stream half
/// of `PubSub::split`, and call the other half by `.wait()`.
///
/// # Errors
///
/// As [`FiberConnection::open`].
pub fn subscribe(client: &Client, channels: impl ToRedisArgs) -> RedisResult<FiberIter<PubSubStream>> {
    let pubsub = wait(async {
        let mut pubsub = client.get_async_pubsub().await?;
        pubsub.subscribe(channels).await?;
        Ok(pubsub)
    });
    Ok(FiberIter::new(pubsub?.into_on_message()))
}

fn wait<T>(future: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    try_await_in_fiber(future).map_err(io::Error::from)?
}

/// The commands that redis has packed for the wire, each an array of strings: its asynchronous side packs them itself.
fn unpack(mut packed: &[u8], commands: usize) -> RedisResult<Vec<Cmd>> {
    let mut parser = Parser::new();
    let mut unpack_one = || {
        let words: Vec<Vec<u8>> = from_redis_value(parser.parse_value(&mut packed)?)?;
        let mut cmd = Cmd::new();
        for word in words {
            cmd.arg(word);
        }
        Ok(cmd)
    };
    (0..commands).map(|_| unpack_one()).collect()
}

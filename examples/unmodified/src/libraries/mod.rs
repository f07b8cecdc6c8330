//! The libraries, each as its own docs use it. Every file opens a client, and returns a call of it that blocks for a
//! while.

mod diesel;
mod lettre;
mod mysql;
mod redis;
mod standard;
mod ureq;

pub use self::{
    diesel::{Pool, diesel, pool_of_diesel},
    lettre::lettre,
    mysql::mysql,
    redis::{redis, redis_in_mutex},
    standard::{command, net, sleep},
    ureq::{ureq, ureq_by_native_tls, ureq_by_rustls},
};

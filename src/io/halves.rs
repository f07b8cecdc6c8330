//! The two halves of a connection, and the macros by which the halves and the whole connection read and write.

use std::{
    io::{self, IoSlice, Read, Write},
    time::Duration,
};

use tokio::net::{
    TcpStream,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::FiberIo;

/// Lets a type read through the [`FiberIo`] inside it.
macro_rules! reads {
    ($stream:ty) => {
        impl $stream {
            /// Sets how long a read may wait for a byte. `None`, the default, is no limit.
            ///
            /// # Errors
            ///
            /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a time-out of zero, as in std.
            pub fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                self.0.set_read_timeout(timeout)
            }

            /// Returns the time-out of reads.
            ///
            /// # Errors
            ///
            /// Never; the type is that of `std::net::TcpStream`.
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.0.read_timeout()
            }
        }

        impl Read for $stream {
            #[track_caller]
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(buffer)
            }
        }
    };
}

/// Lets a type write through the [`FiberIo`] inside it.
macro_rules! writes {
    ($stream:ty) => {
        impl $stream {
            /// Sets how long a write may wait for the system to take a byte. `None`, the default, is no limit.
            ///
            /// # Errors
            ///
            /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a time-out of zero, as in std.
            pub fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                self.0.set_write_timeout(timeout)
            }

            /// Returns the time-out of writes.
            ///
            /// # Errors
            ///
            /// Never; the type is that of `std::net::TcpStream`.
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.0.write_timeout()
            }
        }

        impl Write for $stream {
            #[track_caller]
            fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
                self.0.write(buffer)
            }

            #[track_caller]
            fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
                self.0.write_vectored(buffers)
            }

            #[track_caller]
            fn flush(&mut self) -> io::Result<()> {
                self.0.flush()
            }
        }
    };
}

pub(super) use {reads, writes};

/// The reading half of a [`TcpStream`](super::TcpStream), made by [`into_split`](super::TcpStream::into_split).
///
/// The connection is closed when both halves are dropped.
#[derive(Debug)]
pub struct TcpReadHalf(pub(super) FiberIo<OwnedReadHalf>);

reads!(TcpReadHalf);

impl AsRef<TcpStream> for TcpReadHalf {
    fn as_ref(&self) -> &TcpStream {
        self.0.get_ref().as_ref()
    }
}

/// The writing half of a [`TcpStream`](super::TcpStream), made by [`into_split`](super::TcpStream::into_split).
///
/// Dropping it closes the writing direction.
#[derive(Debug)]
pub struct TcpWriteHalf(pub(super) FiberIo<OwnedWriteHalf>);

writes!(TcpWriteHalf);

impl AsRef<TcpStream> for TcpWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        self.0.get_ref().as_ref()
    }
}

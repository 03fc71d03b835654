//! The MySQL wire: packets in, statements out; outcomes in, packets out. The only room that names
//! `opensrv_mysql`. Knows no SQL, and of a session only what [`crate::session`] offers.

mod capability;
mod command;
mod connection;
mod gate;
mod handshake;
mod listener;
mod login;
mod packet;
mod places;
mod prepared;
mod reply;
mod shim;
mod upload;
mod values;

#[cfg(any(test, fuzzing))]
pub(crate) use self::connection::serve_in_memory;
pub use self::listener::serve;

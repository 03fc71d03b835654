//! The MySQL wire. The only room that names `opensrv_mysql`.

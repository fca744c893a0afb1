//! The admin API over its socket and its port.

mod changing;
mod denied;
mod desk;
mod document;
mod following;
mod keeping;
mod listening;
mod using;
mod walking;

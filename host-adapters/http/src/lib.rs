//! HTTP in front of plugins.

//! Components in text, as small as they can be while they have everything.
//!
//! What a reader may get wrong: [`RICH`] must have every measure of `StructureLimits` above zero (but `br_table`
//! targets, which small bodies are not searched for); the limit tests fail when it has not.

/// Translates text format.
pub(crate) fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// One of everything.
pub(crate) const RICH: &str = r#"
(component
  (import "acme:text/types@1.2.0" (instance $types
    (type $line (record (field "body" string)))
    (export "line" (type (eq $line)))))
  (import "acme:text/store@1.2.3" (instance $store
    (export "shelf" (type $shelf (sub resource)))
    (export "open" (func (param "name" string) (result (own $shelf))))
    (export "[method]shelf.count" (func (param "self" (borrow $shelf)) (result u32)))))
  (import "now" (func $now (result u32)))
  (core type $callback (func (param i32)))
  (type $nested (component (type (instance (type (list u8)) (export "bytes" (func))))))
  (core module $code
    (type (func (result i32)))
    (import "host" "now" (func $now (result i32)))
    (memory (export "memory") 2 9)
    (table 3 5 funcref)
    (global (mut i32) (i32.const 0))
    (elem (i32.const 0) $now)
    (data (i32.const 0) "data")
    (func (export "tick") (result i32) (local i64 i64 f32) call $now)
    (func $choose (param i32)
      block block block block local.get 0 br_table 0 1 2 3 end end end end)
    (@producers (language "wat" "1"))
  )
  (core func $now-core (canon lower (func $now)))
  (core instance $host (export "now" (func $now-core)))
  (core instance $main (instantiate $code (with "host" (instance $host))))
  (alias core export $main "tick" (core func $tick))
  (func $tick-lifted (result u32) (canon lift (core func $tick)))
  (component $inner
    (import "tick" (func $tick (result u32)))
    (component)
    (export "tick" (func $tick)))
  (instance $clock (instantiate $inner (with "tick" (func $tick-lifted))))
  (export "acme:time/clock@0.1.0" (instance $clock))
  (export "tick" (func $tick-lifted))
  (@custom "acme:notes" "x")
)"#;

/// One function, lifted through an instance, beside a lifecycle, a handover and an instance of a plain name.
pub(crate) const POINTS: &str = r#"
(component
  (core module $code (func (export "f")))
  (core instance $main (instantiate $code))
  (func $f (canon lift (core func $main "f")))
  (instance $functions (export "f" (func $f)))
  (instance $empty)
  (export "plugwork:points/analyzer@0.1.0" (instance $functions))
  (export "plugwork:plugin/lifecycle@0.1.0" (instance $functions))
  (export "plugwork:plugin/handover@0.1.0" (instance $functions))
  (export "acme:text/types" (instance $empty))
  (export "exports" (instance $functions))
  (export "f" (func $f))
)"#;

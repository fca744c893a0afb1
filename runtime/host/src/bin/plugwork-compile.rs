//! The child that compiles, as a program of its own: for hosts that cannot call the hook in their `main`, such as a library within
//! another language's process. Give its path to `plugwork::compile::ChildCompiler::program`.
//!
//! What a reader may get wrong: it is no command for people. Started by hand it says so and ends.

fn main() -> Result<(), &'static str> {
    plugwork::compile::child_main_if_asked();
    Err("this program compiles for a plugwork host, which starts it; hint: `ChildCompiler::program`")
}

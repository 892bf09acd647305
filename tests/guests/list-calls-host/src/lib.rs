//! Calls the host where it should only list its tools. Expected: refused at load.

use toolgate_guest_kit::host::log;
use toolgate_guest_kit::{Answer, Definition, definition, guest, text};

fn list() -> Vec<Definition> {
    log::write(log::Level::Info, "is anybody there?");
    vec![definition("call_in_list", r#"{"type":"object"}"#)]
}

fn call(_arguments: &str) -> Answer {
    text("nobody should get this far")
}

guest!(list: list, call: call);

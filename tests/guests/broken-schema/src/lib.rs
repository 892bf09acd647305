//! Has a schema that is no JSON. Expected: refused at load.

use toolgate_guest_kit::{Answer, Definition, definition, guest, text};

fn list() -> Vec<Definition> {
    vec![definition("broken", r#"{"type":"#)]
}

fn broken(_arguments: &str) -> Answer {
    text("nobody should get this far")
}

guest!(list: list, call: broken);

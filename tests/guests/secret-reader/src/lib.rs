//! A good guest: reads the value of a secret that its arguments name, and tells its length, since
//! the value itself would be redacted where it looks like one.

use toolgate_guest_kit::host::kubernetes_secret_values;
use toolgate_guest_kit::{Answer, guest, text};
use toolgate_sdk::serde_json::{self, Value};

fn read_secret(arguments: &str) -> Answer {
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    let word = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
    match kubernetes_secret_values::read(None, word("namespace"), word("name"), word("key")) {
        Ok(value) => text(format!("{} bytes", value.len())),
        Err(error) => text(format!("{error:?}")),
    }
}

guest!("read_secret", read_secret);

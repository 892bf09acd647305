//! Houses that measure stand alone: none else in the process stands at the same time.

use std::sync::LazyLock;

use tokio::sync::watch;

#[derive(Debug, Default)]
struct Standing {
    houses: usize,
    alone: bool,
}

static STANDING: LazyLock<watch::Sender<Standing>> = LazyLock::new(watch::Sender::default);

/// A house stands for as long as this lives. A test may have several; one that stands alone waits
/// for all of them and is waited for, and nobody holds the one while waiting for the other.
#[derive(Debug)]
pub(crate) struct Turn {
    alone: bool,
}

impl Turn {
    pub(crate) async fn take(alone: bool) -> Self {
        let mut standing = STANDING.subscribe();
        loop {
            let took = STANDING.send_if_modified(|standing| {
                let free = !standing.alone && (!alone || standing.houses == 0);
                if free {
                    standing.alone = alone;
                    standing.houses += 1;
                }
                free
            });
            if took {
                return Self { alone };
            }
            standing.changed().await.expect("the sender is static");
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        STANDING.send_modify(|standing| {
            standing.houses -= 1;
            if self.alone {
                standing.alone = false;
            }
        });
    }
}

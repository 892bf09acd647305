//! What was taken out of texts before anybody read them, in numbers.

/// Characters that were removed, by what they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// In escape sequences, which move a cursor, colour, or reach the clipboard.
    pub escapes: u32,
    /// Control characters.
    pub controls: u32,
    /// What reorders text.
    pub bidi: u32,
    /// What has no width: joiners, selectors, fillers.
    pub invisible: u32,
    /// Unicode's tag block: a hidden alphabet.
    pub tags: u32,
}

impl Removed {
    /// All of them.
    pub fn total(self) -> u32 {
        [self.escapes, self.controls, self.bidi, self.invisible, self.tags]
            .into_iter()
            .fold(0, u32::saturating_add)
    }
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, other: Self) {
        let Self { escapes, controls, bidi, invisible, tags } = other;
        self.escapes = self.escapes.saturating_add(escapes);
        self.controls = self.controls.saturating_add(controls);
        self.bidi = self.bidi.saturating_add(bidi);
        self.invisible = self.invisible.saturating_add(invisible);
        self.tags = self.tags.saturating_add(tags);
    }
}

/// Everything that was taken out, or made harmless.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Secrets that were replaced.
    pub secrets: u32,
    /// Characters that were removed.
    pub removed: Removed,
    /// What a chat's template or a renderer would have acted on, and now reads as text.
    pub defanged: u32,
}

impl Withheld {
    /// Nothing at all.
    pub const NOTHING: Self = Self {
        secrets: 0,
        removed: Removed { escapes: 0, controls: 0, bidi: 0, invisible: 0, tags: 0 },
        defanged: 0,
    };
}

impl std::ops::AddAssign for Withheld {
    fn add_assign(&mut self, other: Self) {
        let Self { secrets, removed, defanged } = other;
        self.secrets = self.secrets.saturating_add(secrets);
        self.removed += removed;
        self.defanged = self.defanged.saturating_add(defanged);
    }
}

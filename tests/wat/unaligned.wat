;; Answers at an address that records may not have. Expected: the plugin's error.
;; tool: unaligned
;; core
(func $call (param i32 i32 i32 i32) (result i32) i32.const 4097)

;; Answers with neither success nor failure. Expected: the plugin's error.
;; tool: bad_discriminant
;; core
(func $call (param i32 i32 i32 i32) (result i32)
  (i32.store8 (i32.const 4096) (i32.const 7))
  i32.const 4096)

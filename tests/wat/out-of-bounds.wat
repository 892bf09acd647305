;; Answers with a text that lies beyond its memory. Expected: the plugin's error.
;; tool: out_of_bounds
;; core
(func $call (param i32 i32 i32 i32) (result i32)
  (i32.store (i32.const 4100) (i32.const -16))
  (i32.store (i32.const 4104) (i32.const 32))
  i32.const 4096)

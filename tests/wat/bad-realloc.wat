;; Gives the host an address beyond its memory for the arguments. Expected: the plugin's error.
;; tool: bad_realloc
;; core
(func $realloc (param i32 i32 i32 i32) (result i32) i32.const -8)
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)

;; Gives up at once. Expected: a trap, the plugin's fault.
;; tool: trap
;; core
(func $call (param i32 i32 i32 i32) (result i32) unreachable)

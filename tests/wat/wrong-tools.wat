;; Exports the contract's interface with other functions in it. Expected: refused at load.
(component
  (core module $module (func (export "list")))
  (core instance $instance (instantiate $module))
  (func $list (canon lift (core func $instance "list")))
  (instance $tools (export "list" (func $list)))
  (export "toolgate:plugin/tools@0.1.0" (instance $tools)))

;; A component, but not a plugin. Expected: refused by the gate.
(component
  (core module $module (func (export "run")))
  (core instance $instance (instantiate $module))
  (func (export "run") (canon lift (core func $instance "run"))))

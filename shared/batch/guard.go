package batch

import (
	"runtime/debug"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Guard runs f, a part of a model's work, and turns a panic into an error: shapes that do not fit, memory of a mapped
// file that is gone, or a bug. The stack goes to the observer.
func Guard(o Observer, model string, f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		o.Panicked(r, debug.Stack())
		if weights.FaultError(r) != nil {
			err = fault.E(fault.Corrupt, "MODEL_FILE_CHANGED", "engine",
				"the weights of %s could not be read any more: their file was changed or cut short", model)
			return
		}
		err = fault.E(fault.Internal, "ENGINE_PANIC", "engine", "the forward pass of %s failed", model)
	}()
	return tensor.Catch(f)
}

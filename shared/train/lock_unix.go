//go:build unix

package train

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/manifold-gen/manifold/shared/fault"
)

// lockDir takes the run's directory for this process; the kernel gives it back even after a kill -9. The file
// itself stays, because removing it would let two processes lock two different files of that name.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, diskError("the run's directory cannot be locked", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.E(fault.Precondition, "RUN_LOCKED", "train.Run", "another run is using this directory")
		}
		return nil, diskError("the run's directory cannot be locked", err)
	}
	return func() { _ = f.Close() }, nil
}

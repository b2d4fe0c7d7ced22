//go:build !unix

package train

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/manifold-gen/manifold/shared/fault"
)

// lockDir takes the run's directory for this process by making a file that must not exist. After a crash the
// file stays and has to be deleted by hand, as the error says.
func lockDir(dir string) (unlock func(), err error) {
	name := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fault.E(fault.Precondition, "RUN_LOCKED", "train.Run",
			"another run is using this directory, or crashed in it: if so, delete its file %s", lockFile)
	}
	if err != nil {
		return nil, diskError("the run's directory cannot be locked", err)
	}
	return func() {
		_ = f.Close()
		_ = os.Remove(name)
	}, nil
}

//go:build !unix

package dataset

import (
	"context"
	"os"
	"time"
)

// lock takes the lock of a file by making it, waiting until ctx ends. A process that dies leaves the file, which
// then has to be removed by hand.
func lock(ctx context.Context, file string) (unlock func(), err error) {
	for {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			return func() {
				_ = f.Close()
				_ = os.Remove(file) // both fail only when the file is gone already
			}, nil
		}
		if !os.IsExist(err) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

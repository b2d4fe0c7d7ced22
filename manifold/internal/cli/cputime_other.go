//go:build !unix

package cli

import (
	"os"
	"time"
)

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }

// dutyCycle does nothing here.
func dutyCycle(*os.Process, time.Duration, time.Duration) (stop func()) { return func() {} }

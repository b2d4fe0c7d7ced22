package cli

import (
	"os/exec"
	"syscall"
)

// endWithParent has the system kill a process when this one is killed, also while it is stopped.
func endWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

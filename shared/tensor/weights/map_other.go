//go:build !unix

package weights

import "os"

// mapFile reads the file where there is no mapping.
func mapFile(f *os.File, size int) ([]byte, error) { return readFile(f, size) }

func unmapFile([]byte) error { return nil }

// syncDir does nothing: a folder cannot be synced here.
func syncDir(string) error { return nil }

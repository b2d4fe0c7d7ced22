package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile replaces a file as a whole, so that a full disk leaves the old one. A symbolic link stays and its target
// is replaced; a device or a pipe is written to.
func writeFile(name string, data []byte) error {
	if err := save(name, data); err != nil {
		return fmt.Errorf("%s cannot be written: %w", name, bare(err))
	}
	return nil
}

func save(name string, data []byte) error {
	target, special, err := resolve(name)
	if err != nil {
		return err
	}
	if special {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".manifold-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), target)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// resolve follows symbolic links to the file that is to be replaced. special says that it is none, but a device or a
// pipe; a folder is an error.
func resolve(name string) (target string, special bool, err error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name, false, nil
	case err != nil:
		return "", false, err
	case info.IsDir():
		return "", false, errors.New("it is a folder; name a file in it")
	case !info.Mode().IsRegular():
		return name, true, nil
	}
	target, err = filepath.EvalSymlinks(name)
	return target, false, err
}

// writable says what keeps writeFile from writing a file, as far as that can be known before.
func writable(name string) error {
	target, special, err := resolve(name)
	if err == nil && !special {
		var f *os.File
		if f, err = os.CreateTemp(filepath.Dir(target), ".manifold-*"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", name, bare(err))
	}
	return nil
}

// bare strips an error of the names of temporary files.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

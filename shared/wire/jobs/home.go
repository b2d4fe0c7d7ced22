package jobs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
)

// firstFamily keeps its jobs where they were when it was the only one.
const firstFamily = "diffusion"

// DirOf is the directory in a home folder where the jobs of a family live, one for each, so that the services of two
// families share a home. Earlier daemons kept those of any family in one place: what lies there moves if all of it
// belongs to this family and nobody has it open. Errors are NO_DATA_DIR where that fails.
func DirOf(home, family string) (string, error) {
	old := filepath.Join(home, "jobs")
	if family == firstFamily {
		return old, nil
	}
	dir := filepath.Join(home, "jobs-"+family)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, nil
	}
	if _, err := os.Stat(filepath.Join(old, recordsFile)); err != nil {
		return dir, nil
	}
	st, err := openStore(filepath.Join(old, recordsFile))
	if err != nil {
		return dir, nil // in use, or unreadable: its owner will say so
	}
	defer func() { _ = st.close() }() // moved under its lock
	all, err := st.list()
	if err != nil || len(all) == 0 {
		return dir, nil
	}
	for _, r := range all {
		if recipe.Family([]byte(r.Recipe)) != family {
			return dir, nil
		}
	}
	if err := os.Rename(old, dir); err != nil {
		return "", fault.E(fault.Unavailable, "NO_DATA_DIR", "jobs.DirOf", "the jobs of %s cannot be moved: %w", family,
			bare(err))
	}
	return dir, nil
}

package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

const (
	// attempts is how often a download is begun or resumed.
	attempts = 5
	// stall is how long a connection may be silent.
	stall = 30 * time.Second
	// maxDownload bounds one file; the largest registered one has well under a tenth of it.
	maxDownload = 16 << 30
)

// download fetches a source into file. It goes on where an earlier attempt, also of an earlier process, has left
// file + ".part", checks the whole, and renames it into place. A file whose check fails is thrown away and, if any
// of it was left from before, fetched once more from its beginning.
func (l *Locator) download(ctx context.Context, s Source, file string, check func(string) error) error {
	op := "dataset.Download " + s.Path
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fault.E(fault.Internal, "CACHE_NOT_WRITABLE", op, "%w", err)
	}
	part := file + ".part"
	unlock, err := lock(ctx, file+".lock")
	if err != nil {
		return fault.E(fault.KindOf(err), "CACHE_LOCKED", op, "another download of the file goes on: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(file); err == nil {
		return check(file) // another process has fetched it meanwhile
	}
	for fresh := false; ; fresh = true {
		before := partSize(part)
		if err := l.fetchAll(ctx, op, s, part); err != nil {
			return err
		}
		err := check(part)
		if err == nil {
			break
		}
		if rm := os.Remove(part); rm != nil || fresh || before == 0 {
			return errors.Join(err, rm)
		}
	}
	if err := os.Rename(part, file); err != nil {
		return fault.E(fault.Internal, "CACHE_NOT_WRITABLE", op, "%w", err)
	}
	return nil
}

func partSize(part string) int64 {
	st, err := os.Stat(part)
	if err != nil {
		return 0
	}
	return st.Size()
}

// fetchAll calls fetch until the file is whole, an error is final, or the attempts are used up.
func (l *Locator) fetchAll(ctx context.Context, op string, s Source, part string) error {
	var last error
	pause := l.pause
	if pause == 0 {
		pause = 200 * time.Millisecond
	}
	for try := range attempts {
		if try > 0 {
			select {
			case <-ctx.Done():
				return fault.Wrap(op, ctx.Err())
			case <-time.After(time.Duration(try*try) * pause):
			}
		}
		again, err := l.fetch(ctx, s, part)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fault.Wrap(op, ctx.Err())
		}
		if !again {
			return fault.Wrap(op, err)
		}
		last = err
	}
	return fault.E(fault.Unavailable, "DOWNLOAD_FAILED", op, "%d attempts failed, the last one: %w", attempts, last)
}

// fetch asks for what part lacks and appends it. again says whether another attempt may help.
func (l *Locator) fetch(ctx context.Context, s Source, part string) (again bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no data for %v", stall)) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return false, err
	}
	have := partSize(part)
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	client := l.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return true, errors.Join(err, context.Cause(ctx))
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	flags := os.O_CREATE | os.O_WRONLY
	switch {
	case res.StatusCode == http.StatusPartialContent:
		if from, ok := rangeStart(res.Header.Get("Content-Range")); !ok || from != have {
			return false, fault.E(fault.Unavailable, "DOWNLOAD_FAILED", "fetch", "asked for bytes from %d, got %q", have,
				res.Header.Get("Content-Range"))
		}
		flags |= os.O_APPEND
	case res.StatusCode == http.StatusOK:
		flags |= os.O_TRUNC
		have = 0
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		// All is there already, or it is another file: the checksum tells.
		return false, nil
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return true, fmt.Errorf("the server says %s", res.Status)
	default:
		return false, fault.E(fault.NotFound, "DOWNLOAD_FAILED", "fetch", "the server says %s", res.Status)
	}
	total := int64(-1)
	if res.ContentLength >= 0 {
		total = have + res.ContentLength
	}
	if total > maxDownload {
		return false, fault.E(fault.Corrupt, "DOWNLOAD_FAILED", "fetch", "%d bytes, at most %d are allowed", total,
			int64(maxDownload))
	}
	f, err := os.OpenFile(part, flags, 0o644)
	if err != nil {
		return false, fault.E(fault.Internal, "CACHE_NOT_WRITABLE", "fetch", "%w", err)
	}
	again, err = l.copy(f, res.Body, s.Path, have, total, watch)
	if err != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return again, errors.Join(err, f.Sync(), f.Close())
}

// copy appends the body to f, reports progress, and keeps the watch from firing as long as data come.
func (l *Locator) copy(f *os.File, body io.Reader, path string, done, total int64, watch *time.Timer) (bool, error) {
	buf := make([]byte, 256<<10)
	told := time.Time{}
	tell := func() {
		if l.Progress != nil {
			l.Progress(path, done, total)
		}
		told = time.Now()
	}
	for {
		n, err := body.Read(buf)
		watch.Reset(stall)
		if _, werr := f.Write(buf[:n]); werr != nil {
			return false, fault.E(fault.Internal, "CACHE_NOT_WRITABLE", "fetch", "%w", werr)
		}
		done += int64(n)
		if done > maxDownload {
			return false, fault.E(fault.Corrupt, "DOWNLOAD_FAILED", "fetch", "more than %d bytes", int64(maxDownload))
		}
		if errors.Is(err, io.EOF) {
			tell()
			return false, nil
		}
		if err != nil {
			return true, err
		}
		if time.Since(told) > 250*time.Millisecond {
			tell()
		}
	}
}

// rangeStart reads the first byte's position from "bytes 5-9/10".
func rangeStart(s string) (int64, bool) {
	s, ok := strings.CutPrefix(s, "bytes ")
	from, _, dash := strings.Cut(s, "-")
	n, err := strconv.ParseInt(from, 10, 64)
	return n, ok && dash && err == nil
}

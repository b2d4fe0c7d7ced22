package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

const (
	datasetsDir  = "datasets"
	uploadPrefix = ".upload-"
	metaFile     = "dataset.json"
	maxChunk     = 1 << 20
	maxUploads   = 2 // at a time
)

var (
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
	formats     = []string{"zip", "idx", "csv", "parquet", "txt"}
)

// fileNames are the names under which uploads lie, by format: data sets are told apart by them.
var fileNames = map[string]string{
	"zip": "data.zip", "idx": "data-idx3-ubyte", "csv": "data.csv", "parquet": "data.parquet", "txt": "data.txt",
}

// Dataset is an uploaded data set.
type Dataset struct {
	Name   string `json:"name"`
	Format string `json:"format"` // as in the header of the upload
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Items  int64  `json:"items"`
	Path   string `json:"-"` // of the file
}

// FindDataset returns an uploaded data set by name; ok is false where there is none.
func FindDataset(dir, name string) (d Dataset, ok bool, err error) {
	if !namePattern.MatchString(name) {
		return d, false, nil
	}
	folder := filepath.Join(dir, datasetsDir, name)
	text, err := os.ReadFile(filepath.Join(folder, metaFile))
	if errors.Is(err, os.ErrNotExist) {
		return d, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return d, false, fault.E(fault.Corrupt, "BAD_DATASET", "jobs", "data set %s cannot be read: %w", name, bare(err))
	}
	d.Path = filepath.Join(folder, fileNames[d.Format])
	return d, true, nil
}

// UploadDataset stores a data set under the name in its header.
func (s *Service) UploadDataset(
	in grpc.ClientStreamingServer[trainingv1.UploadDatasetRequest, trainingv1.UploadDatasetResponse]) error {
	const op = "jobs.Upload"
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		return fault.E(fault.Overloaded, "TOO_MANY_UPLOADS", op, "%d uploads are running", maxUploads)
	}
	parts := s.receiver(in)
	first, err := parts.next(op)
	if err != nil {
		return ended(op, err)
	}
	h := first.GetHeader()
	if h == nil {
		return fault.InvalidField(op, "header", "missing, want it in the first message")
	}
	if err := s.checkHeader(op, h); err != nil {
		return err
	}
	d := Dataset{Name: h.GetName(), Format: h.GetFormat(), Size: h.GetSize(), SHA256: h.GetSha256()}
	old, ok, err := FindDataset(s.cfg.Dir, d.Name)
	if err != nil {
		return err
	}
	if ok && old.SHA256 != d.SHA256 {
		return fault.E(fault.AlreadyExists, "DATASET_EXISTS", op, "data set %s holds other bytes; choose another name",
			d.Name)
	}
	if ok {
		return in.SendAndClose(answer(old)) // the same bytes again
	}
	if err := s.receive(op, parts, &d); err != nil {
		return err
	}
	return in.SendAndClose(answer(d))
}

func answer(d Dataset) *trainingv1.UploadDatasetResponse {
	return &trainingv1.UploadDatasetResponse{Name: d.Name, Size: d.Size, Items: d.Items}
}

func (s *Service) checkHeader(op string, h *trainingv1.DatasetHeader) error {
	var wrong []fault.Violation
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: "header." + field, Description: fmt.Sprintf(format, args...)})
	}
	if !namePattern.MatchString(h.GetName()) {
		bad("name", "%.80q, want 1 to 63 lower-case letters, digits and dashes, not beginning with a dash", h.GetName())
	}
	if h.GetSize() < 1 || h.GetSize() > s.cfg.MaxUpload {
		bad("size", "%d bytes, want 1 to %d", h.GetSize(), s.cfg.MaxUpload)
	}
	if !hashPattern.MatchString(h.GetSha256()) {
		bad("sha256", "%.80q, want 64 lower-case hexadecimal digits", h.GetSha256())
	}
	if !slices.Contains(formats, h.GetFormat()) {
		bad("format", "%.40q, want one of %s", h.GetFormat(), strings.Join(formats, ", "))
	}
	if err := fault.InvalidFields(op, wrong...); err != nil {
		return err
	}
	used, err := s.storage()
	if err != nil {
		return fault.Wrap(op, err)
	}
	if used+h.GetSize() > s.cfg.MaxStorage {
		return fault.E(fault.Overloaded, "STORAGE_FULL", op, "%d of %d bytes for data sets are taken, %d more do not fit",
			used, s.cfg.MaxStorage, h.GetSize())
	}
	return nil
}

// storage is the number of bytes in all data sets.
func (s *Service) storage() (n int64, err error) {
	err = filepath.WalkDir(filepath.Join(s.cfg.Dir, datasetsDir), func(_ string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// parts are the messages of an upload. A client that falls silent is given up, so that it does not hold its place.
type parts struct {
	ctx      context.Context //nolint:containedctx // of the call
	messages chan part
	idle     time.Duration
}

type part struct {
	m   *trainingv1.UploadDatasetRequest
	err error
}

// receiver reads messages in a goroutine that ends with the call: Recv cannot be told to give up.
func (s *Service) receiver(
	in grpc.ClientStreamingServer[trainingv1.UploadDatasetRequest, trainingv1.UploadDatasetResponse]) *parts {
	p := &parts{ctx: in.Context(), messages: make(chan part), idle: s.cfg.UploadIdle}
	go func() {
		for {
			m, err := in.Recv()
			select {
			case p.messages <- part{m, err}:
			case <-p.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return p
}

// next waits for a message, but not for ever.
func (p *parts) next(op string) (*trainingv1.UploadDatasetRequest, error) {
	t := time.NewTimer(p.idle)
	defer t.Stop()
	select {
	case m := <-p.messages:
		return m.m, m.err
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	case <-t.C:
		return nil, fault.E(fault.Deadline, "UPLOAD_STALLED", op, "nothing came for %v", p.idle)
	}
}

// receive writes the chunks into a directory of their own, checks them, and gives it its name.
func (s *Service) receive(op string, in *parts, d *Dataset) error {
	root := filepath.Join(s.cfg.Dir, datasetsDir)
	tmp, err := os.MkdirTemp(root, uploadPrefix)
	if err != nil {
		return diskError(op, err)
	}
	defer os.RemoveAll(tmp) // nothing is left there after the rename
	d.Path = filepath.Join(tmp, fileNames[d.Format])
	if err := copyChunks(op, in, d); err != nil {
		return err
	}
	if d.Items, err = s.trainer.Inspect(in.ctx, *d); err != nil {
		return fault.Wrap(op, err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := os.WriteFile(filepath.Join(tmp, metaFile), text, 0o644); err != nil {
		return diskError(op, err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return diskError(op, err)
	}
	if err := os.Rename(tmp, filepath.Join(root, d.Name)); err != nil {
		return fault.E(fault.AlreadyExists, "DATASET_EXISTS", op, "data set %s was stored by another upload", d.Name)
	}
	return nil
}

// copyChunks writes what comes until the end of the stream, and compares size and hash with the header's.
func copyChunks(op string, in *parts, d *Dataset) error {
	f, err := os.Create(d.Path)
	if err != nil {
		return diskError(op, err)
	}
	defer f.Close()
	hash := sha256.New()
	var size int64
	for {
		m, err := in.next(op)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return ended(op, err)
		}
		c := m.GetChunk()
		if m.GetHeader() != nil || len(c) > maxChunk {
			return fault.InvalidField(op, "chunk", "%d bytes, want chunks of at most %d after the header", len(c), maxChunk)
		}
		if size += int64(len(c)); size > d.Size {
			return fault.InvalidField(op, "header.size", "%d bytes stated, more came", d.Size)
		}
		hash.Write(c)
		if _, err := f.Write(c); err != nil {
			return diskError(op, err)
		}
	}
	if size != d.Size {
		return fault.InvalidField(op, "header.size", "%d bytes stated, %d came", d.Size, size)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != d.SHA256 {
		return fault.InvalidField(op, "header.sha256", "%s stated, the bytes have %s", d.SHA256, sum)
	}
	if err := f.Sync(); err != nil {
		return diskError(op, err)
	}
	return nil
}

// ended words the end of a stream that came too early.
func ended(op string, err error) error {
	if errors.Is(err, io.EOF) {
		return fault.InvalidField(op, "header", "missing, the stream is empty")
	}
	return err
}

func diskError(op string, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fault.E(fault.Overloaded, "DISK_FULL", op, "the disk for data sets is full")
	}
	return fault.E(fault.Unavailable, "DISK_ERROR", op, "the data set cannot be stored: %w", bare(err))
}

// sweepUploads removes what an earlier process left half received.
func sweepUploads(root string) error {
	list, err := os.ReadDir(root)
	if err != nil {
		return bare(err)
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), uploadPrefix) {
			if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
				return bare(err)
			}
		}
	}
	return nil
}

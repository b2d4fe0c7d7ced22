package checkpoint

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

const configFile = "config.json"

// weightFiles are the names that diffusers gives to weights, the best first.
var weightFiles = []string{
	"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json",
	"diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.bin",
}

// find adds the files of a path: a file, a folder of diffusers (or one with such a folder "vae" in it), a folder with
// an encoder and a decoder, or a folder with a single checkpoint.
func (s *Source) find(path string) error {
	const op = "checkpoint.Open"
	st, err := os.Stat(path)
	if err != nil {
		return fault.E(fault.NotFound, "CHECKPOINT_NOT_FOUND", op, "%w", err)
	}
	if !st.IsDir() {
		return s.Add("", path)
	}
	for _, dir := range []string{path, filepath.Join(path, "vae")} {
		if _, err := os.Stat(filepath.Join(dir, configFile)); err != nil {
			continue
		}
		s.Path = dir
		for _, name := range weightFiles {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return s.Add("", filepath.Join(dir, name))
			}
		}
		return fault.E(fault.NotFound, "CHECKPOINT_NOT_FOUND", op, "%s has a %s, but none of %s", filepath.Base(dir),
			configFile, strings.Join(weightFiles, ", "))
	}
	var all, encoders, decoders []string
	entries, err := os.ReadDir(path)
	if err != nil {
		return fault.E(fault.Invalid, "CHECKPOINT_UNREADABLE", op, "%w", err)
	}
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		if ending := filepath.Ext(name); ending != ".safetensors" && !slices.Contains(torchEndings, ending) {
			continue
		}
		full := filepath.Join(path, e.Name())
		all = append(all, full)
		switch {
		case strings.Contains(name, "encoder"):
			encoders = append(encoders, full)
		case strings.Contains(name, "decoder"):
			decoders = append(decoders, full)
		}
	}
	switch {
	case len(all) == 1:
		s.Path = all[0]
		return s.Add("", all[0])
	case len(all) == 2 && len(encoders) == 1 && len(decoders) == 1:
		if err := s.Add("encoder.", encoders[0]); err != nil {
			return err
		}
		return s.Add("decoder.", decoders[0])
	}
	return fault.E(fault.Invalid, "UNKNOWN_CHECKPOINT", op, "folder %s holds %d checkpoints, want one, or an encoder "+
		"and a decoder, or %s beside the weights: name the file", filepath.Base(path), len(all), configFile)
}

// maxConfig bounds a config.json.
const maxConfig = 1 << 20

// readJSON reads a small JSON object beside the weights.
func (s *Source) readJSON(name string) (map[string]json.RawMessage, error) {
	const op = "checkpoint.Open"
	f, err := os.Open(filepath.Join(s.Path, name))
	if err != nil {
		return nil, fault.E(fault.Invalid, "CHECKPOINT_UNREADABLE", op, "%w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil || len(text) > maxConfig {
		return nil, invalid("%s cannot be read, or is larger than %d bytes", name, maxConfig)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, invalid("%s: %v", name, err)
	}
	return fields, nil
}

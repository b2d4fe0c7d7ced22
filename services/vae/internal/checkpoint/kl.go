package checkpoint

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/kl"
)

// fitsKL says whether the folder is one of AutoencoderKL; other classes are refused by their names.
func fitsKL(s *Source) bool {
	st, err := os.Stat(filepath.Join(s.Path, configFile))
	return err == nil && !st.IsDir()
}

func openKL(s *Source, o Options) (*Model, error) {
	fields, err := s.readJSON(configFile)
	if err != nil {
		return nil, err
	}
	cfg, err := klConfig(fields)
	if err != nil {
		return nil, err
	}
	cfg.Height, cfg.Width = o.size(cfg.Height, cfg.Width)
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := s.room(cfg.Parameters()); err != nil {
		return nil, err
	}
	net, err := kl.NewModel(cfg)
	if err != nil {
		return nil, err
	}
	params := nn.Params(net)
	old := s.Has("encoder.mid_block.attentions.0.query.weight")
	err = s.Fill(params, func(name string) From { return klName(name, old) })
	f := cfg.Factor()
	about := fmt.Sprintf("AutoencoderKL, the first stage of a latent diffusion model: pictures of %dx%d to codes of "+
		"%dx%dx%d. It takes any size that is a multiple of %d; import it again for another. Samples are codes that are "+
		"standard normal once scaled as its diffusion model wants them, which make textures, not pictures.",
		cfg.Width, cfg.Height, cfg.Height/f, cfg.Width/f, cfg.Latent, f)
	return &Model{Architecture: "kl", Config: cfg, Net: net, Params: params, About: []string{about}}, err
}

// klFields is a config.json of diffusers' AutoencoderKL with the defaults of its constructor.
type klFields struct {
	InChannels     int             `json:"in_channels"`
	OutChannels    int             `json:"out_channels"`
	DownBlocks     []string        `json:"down_block_types"`
	UpBlocks       []string        `json:"up_block_types"`
	BlockChannels  []int           `json:"block_out_channels"`
	Layers         int             `json:"layers_per_block"`
	Activation     string          `json:"act_fn"`
	Latent         int             `json:"latent_channels"`
	Groups         int             `json:"norm_num_groups"`
	SampleSize     json.RawMessage `json:"sample_size"`
	Scaling        *float64        `json:"scaling_factor"`
	Shift          *float64        `json:"shift_factor"`
	Mean           []float64       `json:"latents_mean"`
	Deviation      []float64       `json:"latents_std"`
	ForceUpcast    *bool           `json:"force_upcast"` // everything is float32 here
	Quant          *bool           `json:"use_quant_conv"`
	PostQuant      *bool           `json:"use_post_quant_conv"`
	Attention      *bool           `json:"mid_block_add_attention"`
	ClassName      string          `json:"_class_name"`
	Version        string          `json:"_diffusers_version"`
	NameOrPath     string          `json:"_name_or_path"`
	CommitHash     string          `json:"_commit_hash"`
	RequiredGroups json.RawMessage `json:"_required_groups"`
}

const klClass = "AutoencoderKL"

// klConfig honours every field of a config.json, or refuses it by its name.
func klConfig(fields map[string]json.RawMessage) (cfg kl.Config, err error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return cfg, err
	}
	var c klFields
	c.ClassName = klClass
	c.InChannels, c.OutChannels, c.Layers, c.Latent, c.Groups, c.Activation = 3, 3, 1, 4, 32, "silu"
	c.DownBlocks, c.UpBlocks, c.BlockChannels = []string{"DownEncoderBlock2D"}, []string{"UpDecoderBlock2D"}, []int{64}
	if class := string(fields["_class_name"]); class != "" && class != `"`+klClass+`"` {
		return cfg, invalid("%s is of class %.60s, only %s is known", configFile, class, klClass)
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return cfg, invalid("%s: %v", configFile, err)
	}
	yes := func(b *bool) bool { return b == nil || *b }
	cfg = kl.Config{
		Channels: c.InChannels, Latent: c.Latent, BlockChannels: c.BlockChannels, Layers: c.Layers, Groups: c.Groups,
		Attention: yes(c.Attention), Quant: yes(c.Quant), PostQuant: yes(c.PostQuant), Scaling: 0.18215,
		Mean: c.Mean, Deviation: c.Deviation,
	}
	if c.Scaling != nil {
		cfg.Scaling = *c.Scaling
	}
	if c.Shift != nil {
		cfg.Shift = *c.Shift
	}
	switch {
	case c.InChannels != c.OutChannels:
		return cfg, invalid("%s: in_channels %d and out_channels %d differ", configFile, c.InChannels, c.OutChannels)
	case c.Activation != "silu" && c.Activation != "swish":
		return cfg, invalid("%s: act_fn %.40q, only silu is known", configFile, c.Activation)
	case len(c.DownBlocks) != len(c.BlockChannels) || len(c.UpBlocks) != len(c.BlockChannels):
		return cfg, invalid("%s: %d down_block_types and %d up_block_types for %d block_out_channels", configFile,
			len(c.DownBlocks), len(c.UpBlocks), len(c.BlockChannels))
	}
	for _, b := range slices.Concat(c.DownBlocks, c.UpBlocks) {
		if b != "DownEncoderBlock2D" && b != "UpDecoderBlock2D" {
			return cfg, invalid("%s: block type %.60q, only DownEncoderBlock2D and UpDecoderBlock2D are known", configFile, b)
		}
	}
	if slices.Contains(c.DownBlocks, "UpDecoderBlock2D") || slices.Contains(c.UpBlocks, "DownEncoderBlock2D") {
		return cfg, invalid("%s: blocks of the decoder among down_block_types, or the other way round", configFile)
	}
	cfg.Height, cfg.Width, err = sampleSize(c.SampleSize)
	return cfg, err
}

// sampleSize is a number, a pair of height and width, or missing.
func sampleSize(text json.RawMessage) (h, w int, err error) {
	if len(text) == 0 || string(text) == "null" {
		return 32, 32, nil
	}
	if json.Unmarshal(text, &h) == nil {
		return h, h, nil
	}
	var pair []int
	if json.Unmarshal(text, &pair) != nil || len(pair) != 2 {
		return 0, 0, invalid("%s: sample_size %.40s, want a number or two", configFile, text)
	}
	return pair[0], pair[1], nil
}

// klParts are names of layers, ours and those of diffusers, each a whole part of a name between dots.
var klParts = map[string]string{
	"in": "conv_in", "out": "conv_out", "norm": "conv_norm_out", "down": "down_blocks", "up": "up_blocks",
	"blocks": "resnets", "mid": "mid_block", "skip": "conv_shortcut", "quant": "quant_conv",
	"post_quant": "post_quant_conv", "block1": "resnets.0", "block2": "resnets.1", "attention": "attentions.0",
}

// attentionParts are those within attention, as releases of diffusers since 0.17 write them, and before.
var attentionParts = map[string][2]string{
	"norm": {"group_norm", "group_norm"}, "q": {"to_q", "query"}, "k": {"to_k", "key"}, "v": {"to_v", "value"},
	"out": {"to_out.0", "proj_attn"},
}

// klName finds a parameter among those of diffusers; old is for releases before 0.17.
func klName(name string, old bool) From {
	part := strings.Split(name, ".")[1:] // without "net"
	axes, inside := Conv, false
	for i, p := range part {
		switch {
		case inside && attentionParts[p][0] != "":
			part[i] = attentionParts[p][0]
			if old {
				part[i] = attentionParts[p][1]
			}
			axes = Linear
		case p == "resample":
			part[i] = "downsamplers.0.conv"
			if part[0] == "decoder" {
				part[i] = "upsamplers.0.conv"
			}
		case klParts[p] != "":
			part[i] = klParts[p]
		}
		inside = inside || p == "attention"
		if p == "skip" || p == "quant" || p == "post_quant" {
			axes = Linear
		}
		if strings.HasPrefix(p, "norm") || p == "bias" {
			axes = Same
		}
	}
	return From{Name: strings.Join(part, "."), Axes: axes}
}

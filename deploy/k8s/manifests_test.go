package k8s

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/manifold-gen/manifold/shared/serve"
)

// families have a service each.
var families = []string{"diffusion", "vae", "tabular", "lm"}

// decode reads every object of the base with unknown and double fields refused.
func decode(t *testing.T) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, autoscalingv2.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	err := filepath.WalkDir("base", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "kustomization.yaml" || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(b)))
		for {
			doc, err := r.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			o, _, err := strict.Decode(doc, nil, nil)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			objects = append(objects, o)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func deployments(t *testing.T) []*appsv1.Deployment {
	t.Helper()
	var l []*appsv1.Deployment
	for _, o := range decode(t) {
		if d, ok := o.(*appsv1.Deployment); ok {
			l = append(l, d)
		}
	}
	if len(l) != 1+len(families) {
		t.Fatalf("%d deployments, want the gateway and %v", len(l), families)
	}
	return l
}

func TestStrict(t *testing.T) {
	if n := len(decode(t)); n < 9 {
		t.Errorf("only %d objects", n)
	}
}

// TestGrace: a pod is killed only after it has drained.
func TestGrace(t *testing.T) {
	for _, d := range deployments(t) {
		grace := d.Spec.Template.Spec.TerminationGracePeriodSeconds
		if grace == nil {
			t.Errorf("%s has no terminationGracePeriodSeconds", d.Name)
			continue
		}
		need := serve.DefaultShutdown
		for _, c := range d.Spec.Template.Spec.Containers {
			if l := c.Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
				need += time.Duration(l.PreStop.Sleep.Seconds) * time.Second
			}
		}
		if got := time.Duration(*grace) * time.Second; got <= need {
			t.Errorf("%s: grace %v, but preStop + drain + stop take up to %v", d.Name, got, need)
		}
	}
}

func TestSecurity(t *testing.T) {
	for _, d := range deployments(t) {
		p := d.Spec.Template.Spec
		if s := p.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil {
			t.Errorf("%s: the pod may run as root or without seccomp", d.Name)
		}
		if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
			t.Errorf("%s: the pod gets a token that it does not need", d.Name)
		}
		for _, c := range p.Containers {
			s := c.SecurityContext
			if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
				s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || len(s.Capabilities.Drop) == 0 {
				t.Errorf("%s/%s: writable root, privilege escalation or capabilities", d.Name, c.Name)
			}
			if c.ReadinessProbe == nil || c.LivenessProbe == nil || c.StartupProbe == nil {
				t.Errorf("%s/%s: a probe is missing", d.Name, c.Name)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s/%s: no cpu request or memory limit", d.Name, c.Name)
			}
		}
	}
}

// TestServicesFindTheirPods: selectors match labels, ports exist, and the services of families are headless.
func TestServicesFindTheirPods(t *testing.T) {
	ds := map[string]*appsv1.Deployment{}
	for _, d := range deployments(t) {
		ds[d.Name] = d
	}
	services := 0
	for _, o := range decode(t) {
		s, ok := o.(*corev1.Service)
		if !ok {
			continue
		}
		services++
		d := ds[s.Name]
		if d == nil {
			t.Errorf("service %s has no deployment", s.Name)
			continue
		}
		for k, v := range s.Spec.Selector {
			if d.Spec.Template.Labels[k] != v {
				t.Errorf("service %s selects %s=%s, which its pods do not have", s.Name, k, v)
			}
		}
		for _, p := range s.Spec.Ports {
			found := false
			for _, c := range d.Spec.Template.Spec.Containers[0].Ports {
				found = found || c.Name == p.TargetPort.StrVal
			}
			if !found {
				t.Errorf("service %s: no container port is named %s", s.Name, p.TargetPort.StrVal)
			}
		}
		if headless := s.Spec.ClusterIP == corev1.ClusterIPNone; headless != (s.Name != "gateway") {
			t.Errorf("service %s: headless is %v", s.Name, headless)
		}
	}
	if services != 1+len(families) {
		t.Errorf("%d services", services)
	}
}

// TestKustomizationsListTheirFiles: every file beside a kustomization is in it, and what it lists exists.
func TestKustomizationsListTheirFiles(t *testing.T) {
	for _, dir := range append([]string{"gateway"}, families...) {
		dir = filepath.Join("base", dir)
		b, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if n := filepath.Base(f); n != "kustomization.yaml" && !bytes.Contains(b, []byte("- "+n+"\n")) {
				t.Errorf("%s is not in its kustomization", f)
			}
		}
		if n := bytes.Count(b, []byte("\n  - ")); n != len(files)-1 {
			t.Errorf("%s lists %d files of %d", dir, n, len(files)-1)
		}
	}
}

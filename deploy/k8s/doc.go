// Package k8s holds the manifests of a Manifold fleet and the tests that decode them strictly.
package k8s

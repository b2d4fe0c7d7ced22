package serve

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"google.golang.org/grpc/credentials"

	"github.com/manifold-gen/manifold/shared/fault"
)

// TLS names the PEM files of a server, or of a client that calls one. The zero value means plaintext.
type TLS struct {
	CertFile string // own certificate chain
	KeyFile  string // its private key
	CAFile   string // server: clients must show a certificate signed by it (mutual TLS); client: the server must
}

// Enabled says whether anything is set.
func (t TLS) Enabled() bool { return t != TLS{} }

// Server makes the configuration of a listener: TLS 1.3, and mutual when CAFile is set.
func (t TLS) Server() (*tls.Config, error) {
	const op = "serve.TLS"
	if t.CertFile == "" || t.KeyFile == "" {
		return nil, fault.InvalidField(op, "tls", "a server needs both a certificate file and a key file")
	}
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_CERTIFICATE", op, "%w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}}
	if t.CAFile != "" {
		pool, err := readPool(t.CAFile)
		if err != nil {
			return nil, err
		}
		c.ClientCAs = pool
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// Client makes the credentials of a caller: its own certificate when one is set, and CAFile as the only root when
// that is set.
func (t TLS) Client() (credentials.TransportCredentials, error) {
	const op = "serve.TLS"
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if t.CertFile != "" || t.KeyFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fault.E(fault.Invalid, "BAD_CERTIFICATE", op, "%w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	if t.CAFile != "" {
		pool, err := readPool(t.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	return credentials.NewTLS(c), nil
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_CERTIFICATE", "serve.TLS", "%w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.E(fault.Invalid, "BAD_CERTIFICATE", "serve.TLS", "%s holds no certificate", file)
	}
	return pool, nil
}

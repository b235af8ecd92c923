package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is a directory with every key and certificate of the cluster. It is made
// once and kept, because a warm start should not pay for keys.
type pki struct{ dir string }

func (p pki) cert(name string) string { return filepath.Join(p.dir, name+".crt") }
func (p pki) key(name string) string  { return filepath.Join(p.dir, name+".key") }

// Names of the certificates. The service account key pair has no certificate.
const (
	caName               = "ca"
	frontProxyCAName     = "front-proxy-ca"
	frontProxyName       = "front-proxy-client"
	apiserverName        = "apiserver"
	apiserverKubeletName = "apiserver-kubelet-client"
	kubeletServingName   = "kubelet-serving"
	kubeletClientName    = "kubelet-client"
	controllersName      = "controllers"
	adminName            = "admin"
	gatewayName          = "gateway"
	serviceAccountName   = "service-account"
)

// leaf describes one certificate under the CA with the name `issuer`.
type leaf struct {
	name         string
	issuer       string
	commonName   string
	organization []string
	usage        x509.ExtKeyUsage
	hosts        []string
}

// leaves lists all certificates. The fake kubelet and the API server's client
// towards it are administrators: what a node may do is not under test here.
var leaves = []leaf{
	{apiserverName, caName, "kube-apiserver", nil, x509.ExtKeyUsageServerAuth, []string{
		"127.0.0.1", "::1", "10.0.0.1", "localhost", "kubernetes", "kubernetes.default",
		"kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}},
	{kubeletServingName, caName, "node-1", nil, x509.ExtKeyUsageServerAuth, []string{"127.0.0.1", "node-1"}},
	{apiserverKubeletName, caName, "kube-apiserver-kubelet-client", []string{"system:masters"}, x509.ExtKeyUsageClientAuth, nil},
	{kubeletClientName, caName, "system:node:node-1", []string{"system:nodes", "system:masters"}, x509.ExtKeyUsageClientAuth, nil},
	{controllersName, caName, "system:kube-controller-manager", nil, x509.ExtKeyUsageClientAuth, nil},
	{adminName, caName, "kubernetes-admin", []string{"system:masters"}, x509.ExtKeyUsageClientAuth, nil},
	{gatewayName, caName, "countersign-gateway", []string{"countersign:gateway"}, x509.ExtKeyUsageClientAuth, nil},
	{frontProxyName, frontProxyCAName, "front-proxy-client", nil, x509.ExtKeyUsageClientAuth, nil},
}

// loadOrMakePKI returns the PKI in dir. The directory is filled under another
// name and renamed when complete, so a killed start leaves no half of it.
func loadOrMakePKI(dir string) (pki, error) {
	if _, err := os.Stat(dir); err == nil {
		return pki{dir}, nil
	}
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return pki{}, err
	}
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		return pki{}, err
	}
	if err := fillPKI(pki{unfinished}); err != nil {
		return pki{}, fmt.Errorf("make certificates: %w", err)
	}
	return pki{dir}, os.Rename(unfinished, dir)
}

func fillPKI(p pki) error {
	issuers := map[string]*issuer{}
	for _, name := range []string{caName, frontProxyCAName} {
		made, err := makeIssuer(p, name)
		if err != nil {
			return err
		}
		issuers[name] = made
	}
	for _, l := range leaves {
		if err := issuers[l.issuer].issue(p, l); err != nil {
			return err
		}
	}
	return makeServiceAccountKey(p)
}

type issuer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func makeIssuer(p pki, name string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := certificateTemplate(pkix.Name{CommonName: "countersign test " + name})
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &issuer{certificate, key}, writeCertificate(p, name, der, key)
}

func (i *issuer) issue(p pki, l leaf) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := certificateTemplate(pkix.Name{CommonName: l.commonName, Organization: l.organization})
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{l.usage}
	for _, host := range l.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.certificate, key.Public(), i.key)
	if err != nil {
		return err
	}
	return writeCertificate(p, l.name, der, key)
}

func certificateTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
	}, nil
}

func writeCertificate(p pki, name string, der []byte, key crypto.PrivateKey) error {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(p.cert(name), "CERTIFICATE", der, 0o644),
		writePEM(p.key(name), "PRIVATE KEY", keyDER, 0o600),
	)
}

// makeServiceAccountKey makes an RSA key, because RS256 tokens are what
// clusters issue by default.
func makeServiceAccountKey(p pki) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(p.key(serviceAccountName), "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), 0o600),
		writePEM(filepath.Join(p.dir, serviceAccountName+".pub"), "PUBLIC KEY", public, 0o644),
	)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

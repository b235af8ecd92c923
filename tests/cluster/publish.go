package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/component-base/version"
)

// published is cluster.json: what a test needs to reach the cluster.
type published struct {
	Server            string         `json:"server"`
	CA                string         `json:"ca"`
	AdminCert         string         `json:"admin_cert"`
	AdminKey          string         `json:"admin_key"`
	GatewayCert       string         `json:"gateway_cert"`
	GatewayKey        string         `json:"gateway_key"`
	AuditLog          string         `json:"audit_log"`
	AdminKubeconfig   string         `json:"admin_kubeconfig"`
	GatewayKubeconfig string         `json:"gateway_kubeconfig"`
	Pids              map[string]int `json:"pids"`
	Version           string         `json:"version"`
	Program           string         `json:"program"`
	Kubectl           string         `json:"kubectl"`
}

func (c *cluster) adminKubeconfig() string   { return c.path("kubeconfig-admin.yaml") }
func (c *cluster) gatewayKubeconfig() string { return c.path("kubeconfig-gateway.yaml") }

func (c *cluster) writeKubeconfigs() error {
	return errors.Join(
		c.writeKubeconfig(c.adminKubeconfig(), adminName),
		c.writeKubeconfig(c.gatewayKubeconfig(), gatewayName),
		c.writeKubeconfig(c.path("pki", "controllers.kubeconfig"), controllersName),
		c.writeKubeconfig(c.path("pki", "kubelet.kubeconfig"), kubeletClientName),
	)
}

// writeKubeconfig embeds the credentials, so that the file can be moved.
func (c *cluster) writeKubeconfig(path, user string) error {
	ca, caErr := os.ReadFile(c.pki.cert(caName))
	cert, certErr := os.ReadFile(c.pki.cert(user))
	key, keyErr := os.ReadFile(c.pki.key(user))
	if err := errors.Join(caErr, certErr, keyErr); err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{Server: c.server(), CertificateAuthorityData: ca}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	config.Contexts[user] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: user}
	config.CurrentContext = user
	return clientcmd.WriteToFile(*config, path)
}

// publish writes cluster.json and then `ready`, so that whoever sees `ready`
// finds everything else complete.
func (c *cluster) publish() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	pids := map[string]int{"up": os.Getpid()}
	for _, p := range c.parts {
		pids[p.name] = p.process.Pid
	}
	text, err := json.MarshalIndent(published{
		Server:            c.server(),
		CA:                c.pki.cert(caName),
		AdminCert:         c.pki.cert(adminName),
		AdminKey:          c.pki.key(adminName),
		GatewayCert:       c.pki.cert(gatewayName),
		GatewayKey:        c.pki.key(gatewayName),
		AuditLog:          c.auditLog(),
		AdminKubeconfig:   c.adminKubeconfig(),
		GatewayKubeconfig: c.gatewayKubeconfig(),
		Pids:              pids,
		Version:           version.Get().GitVersion,
		Program:           program,
		Kubectl:           filepath.Join(filepath.Dir(program), "kubectl"),
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := writeWhole(c.path("cluster.json"), append(text, '\n')); err != nil {
		return err
	}
	return writeWhole(c.path("ready"), []byte(c.server()+"\n"))
}

// writeWhole never shows a reader half a file.
func writeWhole(path string, content []byte) error {
	if err := os.WriteFile(path+".unfinished", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".unfinished", path)
}

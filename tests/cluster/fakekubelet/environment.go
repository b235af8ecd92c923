package fakekubelet

import (
	"context"
	"fmt"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// environment is what a program in the container sees. Nothing of this
// machine's environment gets in; Secrets and ConfigMaps named by the container
// do, as on a real node.
func (c *container) environment(tty bool) []string {
	values := map[string]string{
		"PATH":     c.pod.kubelet.programs.dir,
		"HOME":     c.root,
		"HOSTNAME": c.hostname(),
	}
	if tty {
		values["TERM"] = "xterm"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, source := range c.spec.EnvFrom {
		for key, value := range c.envFrom(ctx, source) {
			values[source.Prefix+key] = value
		}
	}
	for _, variable := range c.spec.Env {
		values[variable.Name] = c.envValue(ctx, variable)
	}
	list := make([]string, 0, len(values))
	for name, value := range values {
		list = append(list, name+"="+value)
	}
	sort.Strings(list)
	return list
}

func (c *container) envFrom(ctx context.Context, source corev1.EnvFromSource) map[string]string {
	switch {
	case source.SecretRef != nil:
		return c.secret(ctx, source.SecretRef.Name)
	case source.ConfigMapRef != nil:
		return c.configMap(ctx, source.ConfigMapRef.Name)
	default:
		return nil
	}
}

func (c *container) envValue(ctx context.Context, variable corev1.EnvVar) string {
	from := variable.ValueFrom
	switch {
	case from == nil:
		return variable.Value
	case from.SecretKeyRef != nil:
		return c.secret(ctx, from.SecretKeyRef.Name)[from.SecretKeyRef.Key]
	case from.ConfigMapKeyRef != nil:
		return c.configMap(ctx, from.ConfigMapKeyRef.Name)[from.ConfigMapKeyRef.Key]
	case from.FieldRef != nil:
		return c.field(from.FieldRef.FieldPath)
	default:
		return ""
	}
}

func (c *container) secret(ctx context.Context, name string) map[string]string {
	found := map[string]string{}
	secret, err := c.pod.kubelet.client.CoreV1().Secrets(c.pod.spec.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		c.output.line(streamStderr, fmt.Sprintf("secret %s: %v", name, err))
		return found
	}
	for key, value := range secret.Data {
		found[key] = string(value)
	}
	return found
}

func (c *container) configMap(ctx context.Context, name string) map[string]string {
	configMap, err := c.pod.kubelet.client.CoreV1().ConfigMaps(c.pod.spec.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		c.output.line(streamStderr, fmt.Sprintf("configmap %s: %v", name, err))
		return nil
	}
	return configMap.Data
}

func (c *container) field(path string) string {
	switch path {
	case "metadata.name":
		return c.pod.spec.Name
	case "metadata.namespace":
		return c.pod.spec.Namespace
	case "metadata.uid":
		return string(c.pod.spec.UID)
	case "spec.nodeName":
		return c.pod.kubelet.node
	case "spec.serviceAccountName":
		return c.pod.spec.Spec.ServiceAccountName
	case "status.podIP":
		return c.pod.ip
	case "status.hostIP":
		return "127.0.0.1"
	default:
		return ""
	}
}

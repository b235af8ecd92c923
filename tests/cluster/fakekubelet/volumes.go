package fakekubelet

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mountVolumes writes the files of Secret, ConfigMap and projected volumes
// below the container's directory, once, when the container starts. Volumes of
// other kinds become empty directories of this container alone.
func (c *container) mountVolumes() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, mount := range c.spec.VolumeMounts {
		target := filepath.Join(c.root, path.Clean("/"+mount.MountPath))
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		for name, content := range c.volumeFiles(ctx, mount.Name) {
			file := filepath.Join(target, path.Clean("/"+name))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *container) volumeFiles(ctx context.Context, name string) map[string]string {
	index := slices.IndexFunc(c.pod.spec.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if index < 0 {
		return nil
	}
	volume := c.pod.spec.Spec.Volumes[index]
	switch {
	case volume.Secret != nil:
		return project(c.secret(ctx, volume.Secret.SecretName), volume.Secret.Items)
	case volume.ConfigMap != nil:
		return project(c.configMap(ctx, volume.ConfigMap.Name), volume.ConfigMap.Items)
	case volume.Projected != nil:
		files := map[string]string{}
		for _, source := range volume.Projected.Sources {
			maps.Copy(files, c.projectedFiles(ctx, source))
		}
		return files
	default:
		return nil
	}
}

func (c *container) projectedFiles(ctx context.Context, source corev1.VolumeProjection) map[string]string {
	switch {
	case source.Secret != nil:
		return project(c.secret(ctx, source.Secret.Name), source.Secret.Items)
	case source.ConfigMap != nil:
		return project(c.configMap(ctx, source.ConfigMap.Name), source.ConfigMap.Items)
	case source.ServiceAccountToken != nil:
		return map[string]string{source.ServiceAccountToken.Path: c.token(ctx, source.ServiceAccountToken)}
	case source.DownwardAPI != nil:
		files := map[string]string{}
		for _, item := range source.DownwardAPI.Items {
			if item.FieldRef != nil {
				files[item.Path] = c.field(item.FieldRef.FieldPath)
			}
		}
		return files
	default:
		return nil
	}
}

// project picks the named keys; no list of keys means all of them.
func project(values map[string]string, items []corev1.KeyToPath) map[string]string {
	if len(items) == 0 {
		return values
	}
	files := map[string]string{}
	for _, item := range items {
		files[item.Path] = values[item.Key]
	}
	return files
}

// token is a real token of the pod's ServiceAccount, bound to the pod.
func (c *container) token(ctx context.Context, source *corev1.ServiceAccountTokenProjection) string {
	pod := c.pod.spec
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID,
		},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	answer, err := c.pod.kubelet.client.CoreV1().ServiceAccounts(pod.Namespace).
		CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		c.output.line(streamStderr, fmt.Sprintf("token of %s: %v", pod.Spec.ServiceAccountName, err))
		return ""
	}
	return answer.Status.Token
}

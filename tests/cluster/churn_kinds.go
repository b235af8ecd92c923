package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

const (
	churnEnd      = "churned-end"
	churnValueKey = "VALUE"
	// What stands in place of masked text, by the names the masks have in the test's bundle.
	churnSecretMark = "countersign-masked:secret-like"
	churnMark       = "countersign-masked:churned"
	lastApplied     = "kubectl.kubernetes.io/last-applied-configuration"
)

// churnKind is a kind that is written and read, and what the masks of the test do to it. The masks
// are told here once more, by hand, so that they are no word of the gateway's.
type churnKind struct {
	resource schema.GroupVersionResource
	kind     string
	// The body without metadata; every VALUE stands for a fresh value.
	body string
	mask func(object map[string]any)
	// Whether clients that ask for protobuf must get JSON.
	masked bool
	custom bool
}

var churnKinds = []churnKind{
	{
		resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, kind: "Secret",
		body:   `{"data":{"password":"VALUE","user":"VALUE"},"type":"Opaque"}`,
		mask:   func(object map[string]any) { maskMembers(object, encoded(churnSecretMark), "data") },
		masked: true,
	},
	{
		resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, kind: "ConfigMap",
		body: `{"binaryData":{"blob":"VALUE"},"data":{"plain":"VALUE","token":"VALUE"}}`,
		mask: func(object map[string]any) {
			maskMembers(object, encoded(churnMark), "binaryData")
			maskMember(object, churnMark, "data", "token")
		},
		masked: true,
	},
	{
		resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, kind: "Deployment",
		// No replicas: the controllers write a status, and nothing else is made.
		body: `{"spec":{"replicas":0,"selector":{"matchLabels":{"app":"churn"}},"template":{"metadata":{"labels":{"app":"churn"}},` +
			`"spec":{"containers":[{"env":[{"name":"A","value":"VALUE"},{"name":"B","value":"VALUE"}],"image":"busybox","name":"main"}]}}}}`,
		mask:   maskEnvironment,
		masked: true,
	},
	{
		resource: schema.GroupVersionResource{Version: "v1", Resource: "services"}, kind: "Service",
		body: `{"spec":{"clusterIP":"None","selector":{"app":"VALUE"},"ports":[{"port":80}]}}`,
		mask: func(map[string]any) {},
	},
	{
		resource: schema.GroupVersionResource{Group: "it.countersign", Version: "v1", Resource: "churns"}, kind: "Churn",
		body: `{"spec":{"pin":12345678901234567,"plain":"VALUE","token":"VALUE"}}`,
		mask: func(object map[string]any) {
			maskMember(object, churnMark, "spec", "token")
			maskMember(object, int64(0), "spec", "pin")
			// Of a kind that nobody knows, managers' entries may hold values.
			unstructured.RemoveNestedField(object, "metadata", "managedFields")
		},
		masked: true,
		custom: true,
	},
}

// filled gives the body with a value in each place: as it is, or as bytes where bytes belong.
func (k churnKind) filled(value string) string {
	body := k.body
	switch k.kind {
	case "Secret":
		body = strings.ReplaceAll(body, churnValueKey, encoded(value))
	case "ConfigMap":
		body = strings.Replace(body, churnValueKey, encoded(value), 1)
	}
	return strings.ReplaceAll(body, churnValueKey, strings.ToLower(value))
}

// object is a new one, with the annotation in which `kubectl apply` keeps it once more.
func (k churnKind) object(name, value string) (*unstructured.Unstructured, error) {
	object := map[string]any{}
	if err := json.Unmarshal([]byte(k.filled(value)), &object); err != nil {
		return nil, err
	}
	object["apiVersion"] = k.resource.GroupVersion().String()
	object["kind"] = k.kind
	object["metadata"] = map[string]any{"name": name}
	applied, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	object["metadata"] = map[string]any{"name": name, "annotations": map[string]any{lastApplied: string(applied)}}
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	fresh := &unstructured.Unstructured{}
	return fresh, fresh.UnmarshalJSON(text)
}

func (k churnKind) update(ctx context.Context, client dynamic.ResourceInterface, name, value string) error {
	_, err := client.Patch(ctx, name, types.MergePatchType, []byte(k.filled(value)), metav1.PatchOptions{})
	return err
}

// maskedText is the object as a caller under the masks must see it, in one form for all clients:
// typed ones leave out what an object is.
func (k churnKind) maskedText(object map[string]any) (string, error) {
	object = (&unstructured.Unstructured{Object: object}).DeepCopy().Object
	k.mask(object)
	applied, found, err := unstructured.NestedString(object, "metadata", "annotations", lastApplied)
	if err != nil {
		return "", err
	}
	if found {
		inner := &unstructured.Unstructured{}
		if err := inner.UnmarshalJSON([]byte(applied)); err != nil {
			return "", err
		}
		k.mask(inner.Object)
		text, err := json.Marshal(inner.Object)
		if err != nil {
			return "", err
		}
		if err := unstructured.SetNestedField(object, string(text), "metadata", "annotations", lastApplied); err != nil {
			return "", err
		}
	}
	return plainText(object)
}

// plainText is an object without its kind, keys in order.
func plainText(object map[string]any) (string, error) {
	delete(object, "apiVersion")
	delete(object, "kind")
	text, err := json.Marshal(object)
	return string(text), err
}

// plainTextOf is the same for what a client decoded into its own type.
func plainTextOf(decoded any) (string, error) {
	if dynamic, is := decoded.(*unstructured.Unstructured); is {
		return plainText(dynamic.DeepCopy().Object)
	}
	text, err := json.Marshal(decoded)
	if err != nil {
		return "", err
	}
	object := &unstructured.Unstructured{}
	// Its decoder keeps whole numbers whole, and wants a kind.
	text = []byte(strings.Replace(string(text), "{", `{"kind":"Any",`, 1))
	if err := object.UnmarshalJSON(text); err != nil {
		return "", fmt.Errorf("%s: %w", text, err)
	}
	return plainText(object.Object)
}

func encoded(value string) string {
	return base64.StdEncoding.EncodeToString([]byte(value))
}

func maskMembers(object map[string]any, mark any, path string) {
	if members, is := object[path].(map[string]any); is {
		for name := range members {
			members[name] = mark
		}
	}
}

func maskMember(object map[string]any, mark any, path, name string) {
	if members, is := object[path].(map[string]any); is {
		if _, found := members[name]; found {
			members[name] = mark
		}
	}
}

func maskEnvironment(object map[string]any) {
	containers, _, _ := unstructured.NestedFieldNoCopy(object, "spec", "template", "spec", "containers")
	list, _ := containers.([]any)
	for _, container := range list {
		entries, _, _ := unstructured.NestedFieldNoCopy(container.(map[string]any), "env")
		variables, _ := entries.([]any)
		for _, variable := range variables {
			if fields := variable.(map[string]any); fields["value"] != nil {
				fields["value"] = churnMark
			}
		}
	}
}

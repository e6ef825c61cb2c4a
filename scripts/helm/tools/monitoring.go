// Command monitoring reads one resource of the Prometheus operator, as JSON, and fails when the operator's types do not have one
// of its fields.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

func check(document []byte) error {
	var header struct{ Kind string }
	if err := json.Unmarshal(document, &header); err != nil {
		return err
	}
	resources := map[string]any{
		"ServiceMonitor": &monitoring.ServiceMonitor{},
		"PrometheusRule": &monitoring.PrometheusRule{},
	}
	resource, isKnown := resources[header.Kind]
	if !isKnown {
		return fmt.Errorf("kind %q is not checked", header.Kind)
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	return decoder.Decode(resource)
}

func main() {
	document, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(document)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

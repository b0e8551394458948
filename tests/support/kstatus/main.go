// SPDX-License-Identifier: Apache-2.0
// Says what Flux and Helm make of saved objects: kstatus' verdict on each JSON file that is named.
//
//	kstatus FILE…
//
// A line for each file, "Current", "InProgress", "Failed" or "Terminating", a tab, and kstatus' reason
// in its own words. A file that is no object: code 1.
package main

import (
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func verdict(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	result, err := status.Compute(object)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return fmt.Sprintf("%s\t%s", result.Status, result.Message), nil
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "kstatus FILE…: kstatus' verdict on each of these objects (JSON)")
		os.Exit(1)
	}
	for _, file := range os.Args[1:] {
		line, err := verdict(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, "kstatus:", err)
			os.Exit(1)
		}
		fmt.Println(line)
	}
}

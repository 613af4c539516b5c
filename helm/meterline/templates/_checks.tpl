{{/* What values must not say together; each refusal names the value and what to write. */}}

{{- define "meterline.checks" -}}
{{- if eq .Values.mode "embedded" }}
  {{- if gt (int (include "meterline.replicas" .)) 1 }}
    {{- fail (printf "replicas is %d, and an embedded engine can't be more than one: two would count apart; set mode: cluster" (int .Values.replicas)) }}
  {{- end }}
  {{- if .Values.autoscaling.enabled }}
    {{- fail "autoscaling.enabled needs mode: cluster: an embedded engine can't be more than one" }}
  {{- end }}
  {{- range $name := list "usage" "catalog" }}
    {{- if (index $.Values.stores $name).existingSecret }}
      {{- fail (printf "stores.%s.existingSecret needs mode: cluster: an embedded engine keeps everything on its volume" $name) }}
    {{- end }}
  {{- end }}
{{- else }}
  {{- range $name := list "usage" "catalog" }}
    {{- if not (index $.Values.stores $name).existingSecret }}
      {{- fail (printf "stores.%s.existingSecret is missing: with mode: cluster it names the secret that holds the URL" $name) }}
    {{- end }}
  {{- end }}
  {{- if not .Values.adminKey.existingSecret }}
    {{- fail "adminKey.existingSecret is missing: with mode: cluster it names the secret that holds the first API key (meterline keys generate)" }}
  {{- end }}
  {{- if .Values.persistence.existingClaim }}
    {{- fail "persistence.existingClaim needs mode: embedded: gateways of a cluster keep nothing" }}
  {{- end }}
{{- end }}
{{- if not (or .Values.tls.existingSecret .Values.config.plaintext) }}
  {{- fail "tls.existingSecret is missing: API keys would travel readable; name a secret with a certificate, or say config.plaintext: true where the network is private" }}
{{- end }}
{{- if and .Values.tls.clientCaKey (not .Values.tls.existingSecret) }}
  {{- fail "tls.clientCaKey needs tls.existingSecret: it names a key in that secret" }}
{{- end }}
{{- end }}

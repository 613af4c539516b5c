{{/* The engine's configuration file: `config`, and what follows from other values. */}}

{{- define "meterline.config" -}}
{{/* Below the volume's root: mkfs leaves lost+found there, and the engine wants a directory of its own. */}}
{{- $own := dict
  "data" "/data/meterline"
  "listen" (printf "0.0.0.0:%d" (int .Values.service.grpcPort))
  "metrics_listen" (printf "0.0.0.0:%d" (int .Values.service.metricsPort))
}}
{{- if .Values.service.http.enabled }}
  {{- $_ := set $own "http_listen" (printf "0.0.0.0:%d" (int .Values.service.http.port)) }}
{{- end }}
{{- if eq .Values.mode "cluster" }}
  {{- $_ := set $own "usage_store_file" "/etc/meterline/stores/usage" }}
  {{- $_ := set $own "catalog_store_file" "/etc/meterline/stores/catalog" }}
{{- end }}
{{- if .Values.adminKey.existingSecret }}
  {{- $_ := set $own "admin_key_file" "/etc/meterline/admin/key" }}
{{- end }}
{{- if .Values.tls.existingSecret }}
  {{- $_ := set $own "tls_cert" "/etc/meterline/tls/tls.crt" }}
  {{- $_ := set $own "tls_key" "/etc/meterline/tls/tls.key" }}
  {{- if .Values.tls.clientCaKey }}
    {{- $_ := set $own "tls_client_ca" (printf "/etc/meterline/tls/%s" .Values.tls.clientCaKey) }}
  {{- end }}
{{- end }}
{{- toYaml (merge $own (deepCopy .Values.config)) }}
{{- end }}

{{/* The pod: the same in both modes, but for what it keeps. */}}

{{- define "meterline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# A large volume is not walked through at every start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "meterline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "meterline.stores" -}}
name: stores
projected:
  defaultMode: 0440
  sources:
    - secret:
        name: {{ .Values.stores.usage.existingSecret | quote }}
        items:
          - {key: {{ .Values.stores.usage.key | quote }}, path: usage}
    - secret:
        name: {{ .Values.stores.catalog.existingSecret | quote }}
        items:
          - {key: {{ .Values.stores.catalog.key | quote }}, path: catalog}
{{- end }}

{{- define "meterline.probe" -}}
httpGet:
  path: {{ .path }}
  port: metrics
  scheme: {{ include "meterline.scheme" .root }}
{{ toYaml .times }}
{{- end }}

{{- define "meterline.pod" -}}
metadata:
  labels:
    {{- include "meterline.labels" . | nindent 4 }}
    app.kubernetes.io/component: engine
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Another configuration is another pod.
    checksum/config: {{ include "meterline.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "meterline.serviceAccountName" . }}
  automountServiceAccountToken: false
  # A service of the name meterline would leave variables METERLINE_... that nobody meant.
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "meterline.podSecurity" . | nindent 4 }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and (eq .Values.mode "cluster") .Values.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- range .Values.topologySpread.topologyKeys }}
    - topologyKey: {{ . | quote }}
      maxSkew: {{ $.Values.topologySpread.maxSkew }}
      whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "meterline.selectorLabels" $ | nindent 10 }}
          app.kubernetes.io/component: engine
    {{- end }}
  {{- end }}
  containers:
    - name: meterline
      image: {{ include "meterline.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      securityContext:
        {{- include "meterline.containerSecurity" . | nindent 8 }}
      {{- with .Values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: grpc, containerPort: {{ .Values.service.grpcPort }}}
        - {name: metrics, containerPort: {{ .Values.service.metricsPort }}}
        {{- if .Values.service.http.enabled }}
        - {name: http, containerPort: {{ .Values.service.http.port }}}
        {{- end }}
      startupProbe:
        {{- include "meterline.probe" (dict "root" . "path" "/startupz" "times" .Values.probes.startup) | nindent 8 }}
      livenessProbe:
        {{- include "meterline.probe" (dict "root" . "path" "/livez" "times" .Values.probes.liveness) | nindent 8 }}
      readinessProbe:
        {{- include "meterline.probe" (dict "root" . "path" "/readyz" "times" .Values.probes.readiness) | nindent 8 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .Values.preStopSeconds }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/meterline/meterline.yaml, subPath: meterline.yaml, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- if eq .Values.mode "embedded" }}
        - {name: data, mountPath: /data}
        {{- else }}
        - {name: stores, mountPath: /etc/meterline/stores, readOnly: true}
        {{- end }}
        {{- if .Values.adminKey.existingSecret }}
        - {name: admin-key, mountPath: /etc/meterline/admin, readOnly: true}
        {{- end }}
        {{- if .Values.tls.existingSecret }}
        - {name: tls, mountPath: /etc/meterline/tls, readOnly: true}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "meterline.fullname" . }}
    - name: tmp
      emptyDir:
        sizeLimit: {{ .Values.tmp.sizeLimit }}
    {{- if eq .Values.mode "cluster" }}
    - {{- include "meterline.stores" . | nindent 6 }}
    {{- else if .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.persistence.existingClaim | quote }}
    {{- end }}
    {{- if .Values.adminKey.existingSecret }}
    - name: admin-key
      secret:
        secretName: {{ .Values.adminKey.existingSecret | quote }}
        defaultMode: 0440
        items:
          - {key: {{ .Values.adminKey.key | quote }}, path: key}
    {{- end }}
    {{- if .Values.tls.existingSecret }}
    - name: tls
      secret:
        secretName: {{ .Values.tls.existingSecret | quote }}
        defaultMode: 0440
    {{- end }}
{{- end }}

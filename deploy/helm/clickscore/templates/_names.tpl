{{/* The name that everything of a release bears; a StatefulSet's pods get -0, -1 … after it, and Kubernetes allows 63 letters. */}}
{{- define "clickscore.name" -}}
{{- if contains "clickscore" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-clickscore" (.Release.Name | trunc 41 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "clickscore.selector" -}}
app.kubernetes.io/name: clickscore
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "clickscore.labels" -}}
{{ include "clickscore.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Who delivers is apart from who scores: another selector, so that a StatefulSet, a Service or a budget never counts the other's pods. */}}
{{- define "clickscore.deliverSelector" -}}
app.kubernetes.io/name: clickscore-deliver
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "clickscore.deliverLabels" -}}
{{ include "clickscore.deliverSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "clickscore.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "clickscore.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "clickscore.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "clickscore.secret" -}}
{{- if .Values.secret.existing }}{{ .Values.secret.existing }}
{{- else if hasKey .Values.secret.values "CLICKSCORE_ENDPOINT__TOKEN" }}{{ include "clickscore.name" . }}
{{- else }}{{ fail "the page and the metrics can be reached from other pods: give secret.existing, or secret.values.CLICKSCORE_ENDPOINT__TOKEN (openssl rand -hex 32)" }}
{{- end }}
{{- end }}

{{/* What a container may do: nothing. */}}
{{- define "clickscore.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "clickscore.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Where settings come from: the file of the ConfigMap, then the Secret's variables, which are stronger. onStop and moreSecret may be merged in. */}}
{{- define "clickscore.environment" -}}
env:
  - name: CLICKSCORE_CONFIG
    value: /etc/clickscore/clickscore.toml
  - name: CLICKSCORE_KAFKA__BOOTSTRAP
    value: {{ .Values.kafka.bootstrap | quote }}
  - name: CLICKSCORE_KAFKA__ON_STOP
    value: {{ .onStop | default .Values.kafka.onStop | quote }}
  - name: CLICKSCORE_KAFKA__SESSION_TIMEOUT
    value: {{ .Values.kafka.sessionTimeout | quote }}
  - name: CLICKSCORE_ENDPOINT__HOST
    value: 0.0.0.0
envFrom:
  - secretRef:
      name: {{ include "clickscore.secret" . }}
{{- with .moreSecret }}
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}

{{/* What the kubelet asks of a worker. */}}
{{- define "clickscore.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: http }
  periodSeconds: 5
  failureThreshold: {{ div (add .Values.startupSeconds 4) 5 }}
livenessProbe:
  httpGet: { path: /livez, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: http }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Where pods run. */}}
{{- define "clickscore.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "clickscore.mounts" -}}
volumeMounts:
  - name: config
    mountPath: /etc/clickscore/clickscore.toml
    subPath: clickscore.toml
    readOnly: true
  - name: tmp
    mountPath: /tmp
{{- if .Values.tlsSecret }}
  - name: tls
    mountPath: /etc/clickscore/tls
    readOnly: true
{{- end }}
{{- if .destinations }}
  - name: destinations
    mountPath: /etc/clickscore/destinations
    readOnly: true
{{- end }}
{{- end }}

{{- define "clickscore.volumes" -}}
volumes:
  - name: config
    configMap:
      name: {{ include "clickscore.name" . }}
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
{{- if .Values.tlsSecret }}
  - name: tls
    secret:
      secretName: {{ .Values.tlsSecret }}
      defaultMode: 0440
{{- end }}
{{- if .destinations }}
  - name: destinations
    secret:
      secretName: {{ .destinations }}
      defaultMode: 0440
{{- end }}
{{- end }}

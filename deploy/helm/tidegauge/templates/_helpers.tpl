{{- define "tidegauge.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tidegauge.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tidegauge.labels" -}}
{{ include "tidegauge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "tidegauge.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "tidegauge.name" .) }}{{ else }}{{ required "serviceAccount.name is needed where none is created" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{/* The most pods that there may ever be, refused where they could not work. */}}
{{- define "tidegauge.pods" -}}
{{- $pods := int .Values.replicaCount }}
{{- if .Values.autoscaling.enabled }}{{ $pods = int .Values.autoscaling.maxReplicas }}{{ end }}
{{- if and (gt $pods 1) (not .Values.output.url) }}
{{- fail "more than one pod needs an output that all of them reach: set output.url to a bucket (s3://, gs://, az://), or replicaCount to 1 without autoscaling" }}
{{- end }}
{{- if gt $pods (int .Values.kafka.partitions) }}
{{- fail (printf "%d pods have nothing to read but %d partitions: lower replicaCount or autoscaling.maxReplicas, or correct kafka.partitions" $pods (int .Values.kafka.partitions)) }}
{{- end }}
{{- $pods }}
{{- end }}

"""A rented service of a run: machines, dollars, and the YAML for SkyServe and vLLM.

Imports: `launcher.planning` and below; `tasks`.

service_plan: machines and dollars of a rented service.
service_yaml: its YAML for SkyServe and vLLM.
"""

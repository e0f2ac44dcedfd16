"""Price sources: each fetches the prices of one cloud or catalog.

Imports: `pricing.offer`, `pricing.gpu`; a cloud's library only when its source is asked.

registry: the sources that `prices refresh` can ask, by name.
aws: spot prices by zone, now and in the past, and on-demand prices by region, through boto3.
azure: on-demand and spot prices from the Retail Prices API, which needs no credentials.
gcp: on-demand and spot prices from the SKUs of the Cloud Billing Catalog.
skypilot: prices from SkyPilot's catalogs, on this machine or as published.
skypilot_gcp: GCP in SkyPilot's catalog, where a GPU and its host are two rows whose prices are added.
skypilot_rows: the lines of a SkyPilot catalog, read by column name.
instance_types: which GPUs an instance type of AWS, GCP or Azure has, where a price feed does not say.
result: what a source returns: quotes, or an error with the reason why there are none.
http: downloads, with limits of size and time, and retries.
"""

"""How good the vectors of a run are: retrieval measured against judgments, and two runs compared vector by vector.

Imports: `launcher.vectors`, `launcher.output`, `errors`, `format`; `tasks`.

judgments: reads queries and relevance judgments in the layout of BEIR, or of TREC.
retrieval: nDCG and recall, and the best documents of each query while batches pass.
representations: the dtypes and dimensions that vectors could be kept in, and their bytes.
evaluate: measures the stored vectors and cheaper representations of them.
known: what earlier evaluations found, for the next plan.
drift: anchors that two runs have in common, and how far their vectors are apart.
"""

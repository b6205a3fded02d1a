"""Judge error without labels: Dawid-Skene by EM and by Gibbs sampling."""

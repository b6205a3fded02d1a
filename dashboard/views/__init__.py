"""The pages, one module each. Not named `pages`: Streamlit would serve every file of such a folder by itself."""

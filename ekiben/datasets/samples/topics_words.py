"""What made-up project descriptions speak of, topic by topic, and in general."""

from ekiben.datasets.samples.grammar import phrases

SUBJECTS = {
    "natural-language-processing": phrases(
        """
        text classification
        named entity recognition
        question answering
        machine translation
        transformers
        language models
        BERT
        sentiment analysis
        text summarization
        dialogue systems
        word embeddings
        tokenization
        text generation
        attention models
        speech transcripts
        topic modelling of documents
        semantic search
        chatbots
        GPT-2
        sequence to sequence models
        """
    ),
    "computer-vision": phrases(
        """
        object detection
        image classification
        semantic segmentation
        convolutional networks
        pose estimation
        face recognition
        GANs
        image inpainting
        video understanding
        depth estimation
        style transfer
        optical character recognition
        super-resolution
        YOLO
        visual tracking
        point clouds
        medical images
        image captioning
        contrastive learning on images
        data augmentation for pictures
        """
    ),
    "mlops": phrases(
        """
        model deployment
        experiment tracking
        continuous integration for models
        feature stores
        model monitoring
        serving on Kubernetes
        data versioning
        training pipelines
        Docker images for models
        REST endpoints for models
        workflow orchestration
        model registries
        testing of pipelines
        reproducible environments
        """
    ),
    "other": phrases(
        """
        reinforcement learning
        time series forecasting
        graph neural networks
        recommender systems
        tabular data
        gradient boosting
        bayesian optimization
        audio generation
        anomaly detection
        interpretability
        probability and statistics
        hyperparameter search
        causal inference
        federated learning
        self-driving agents
        molecule discovery
        """
    ),
}

SHARED = phrases(
    """
    deep learning
    neural networks
    PyTorch
    TensorFlow
    Keras
    transfer learning
    unsupervised learning
    fine-tuning
    small data sets
    benchmarks
    open data
    Python
    the web
    mobile devices
    a browser
    GPUs
    self-supervision
    attention
    embeddings
    autoencoders
    """
)

TITLES = phrases(
    """
    A Guide to {first}
    {first} with {shared}
    Introduction to {first}
    {first} from Scratch
    Awesome {first}
    Fast {first} in {shared}
    {first} Explained
    Practical {shared}
    Towards Better {shared}
    A Survey of {first}
    Building {first}
    Lessons from {shared}
    Understanding {first} and {second}
    Exploring {shared} with {shared}
    """
)

DESCRIPTIONS = phrases(
    """
    A library for {second}, built on {shared}.
    In this tutorial we look at {second} step by step.
    Learn how to apply {shared} to {second}.
    A collection of papers, code and notes about {second} and {shared}.
    An interactive report on {shared} and why it matters.
    We compare methods for {second} on {shared} and show the results.
    An implementation of a recent paper, with notebooks and a demo.
    This repository has everything that you need to start with {shared}.
    How I used {shared} for {second}, and what I would do differently.
    A visual introduction to {second}, without any mathematics.
    An end-to-end example that uses {shared} and can be run in Colab.
    State-of-the-art {second} in ten lines of Python.
    A simple tool that makes {second} easier to debug.
    A deep dive into the code, with explanations and exercises.
    """
)
